"""Every mart equals what a second computation makes of the payloads, over worlds that change."""

import pytest

from linkt_pipeline.audit import run_audit
from linkt_pipeline.warehouse.warehouse import Session

from .conftest import Build
from .worlds import World

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("seed", range(2))
def test_no_figure_of_any_mart_differs(session: Session, build: Build, seed: int) -> None:
    world = World(seed)
    for _ in range(2):
        for _ in range(6):
            with session.transaction() as con:
                world.live(con)
        build(session)
        with session.transaction() as con:
            audit = run_audit(con)
        assert [figure for mart in audit.marts for figure in mart.figures] == []
    assert all(mart.rows for mart in audit.marts)
    assert audit.compared > 0.9 * (audit.compared + audit.unsure)
    assert audit.others == ()


def test_what_linkt_has_deleted_is_left_out_on_both_sides(session: Session, build: Build) -> None:
    world = World(1)
    for _ in range(8):
        with session.transaction() as con:
            world.live(con)
    with session.transaction() as con:
        con.execute(
            "update linkt.entities set deleted_at = fetched_at where entity_id in "
            "(select entity_id from linkt.entities order by md5(entity_id) limit 12)"
        )
    build(session)
    with session.transaction() as con:
        audit = run_audit(con)
    assert [figure for mart in audit.marts for figure in mart.figures] == []
