"""Made-up companies can be told apart, and look like companies."""

import pytest

from linkt_pipeline.sandbox.world.companies import make_company


@pytest.mark.parametrize("seed", [0, 7])
def test_thousands_of_names_and_domains_differ_without_a_number(seed):
    companies = [make_company(seed, number) for number in range(25_600)]
    assert len({company.name for company in companies}) == len(companies)
    assert len({company.domain for company in companies}) == len(companies)
    assert not any(letter.isdigit() for company in companies for letter in company.name + company.domain)


def test_seed_and_number_make_the_company():
    assert make_company(7, 12_345) == make_company(7, 12_345)
    assert make_company(7, 12_345) != make_company(8, 12_345)


@pytest.mark.parametrize(
    ("name", "domain"),
    [("Zoë & Söhne GmbH", "zoshnegmbh.example"), ("Acme 24", "acme24.example"), ("北京", "company51200.example")],
)
def test_a_name_from_a_users_file_is_kept(name, domain):
    company = make_company(7, 51_200, name)
    assert (company.name, company.domain) == (name, domain)
