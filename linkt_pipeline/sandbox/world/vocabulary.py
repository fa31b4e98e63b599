"""The words that made-up companies, people and events are put together from. Nothing here names a real one."""

# A name is a stem with an ending and a trade, all combinations of which differ.
COMPANY_STEMS = (
    "Tarn", "Lark", "Osier", "Heron", "Quince", "Bram", "Fen", "Cinder", "Alder", "Merrow", "Pike", "Sable", "Juniper",
    "Harbor", "Wren", "Copper", "Thistle", "Beacon", "Marl", "Rowan", "Flint", "Saffron", "Tidal", "Ember", "Granite",
    "Willow", "Kestrel", "Nimbus", "Orchard", "Basalt", "Lumen", "Vesper", "Hazel", "Drift", "Anvil", "Clover", "Aspen",
    "Onyx", "Meadow", "Cobalt", "Birch", "Cedar", "Linden", "Maple", "Hawthorn", "Sorrel", "Bramble", "Slate", "Amber",
    "Jasper", "Opal", "Garnet", "Falcon", "Plover", "Otter", "Badger", "Lantern", "Compass", "Mariner", "Summit",
    "Prairie", "Boreal", "Solstice", "Zephyr",
)  # fmt: skip
COMPANY_ENDINGS = (
    "brook", "spur", "gate", "field", "wave", "line", "works", "ridge", "stack", "cast", "loop", "forge", "path",
    "mark", "grid", "point", "crest", "bridge", "shore", "haven", "craft", "layer", "mill", "vale", "port", "well",
    "dale", "moor", "stone", "wick", "ford", "reach", "span", "beam", "trail", "lock", "yard", "spring", "hollow",
    "rise",
)  # fmt: skip
COMPANY_TRADES = (
    "Software", "Labs", "Systems", "Cloud", "Analytics", "Technologies", "Platforms", "AI", "Networks", "Digital",
)  # fmt: skip
LEGAL_FORMS = {"Germany": "GmbH", "Austria": "GmbH", "Finland": "Oy", "Sweden": "AB", "France": "SAS"}
INDUSTRIES = (
    "Manufacturing software", "Revenue intelligence", "Supply chain software", "Developer tools", "HR technology",
    "Financial operations", "Cybersecurity", "Data infrastructure", "Customer support software", "Energy software",
    "Legal technology", "Healthcare IT", "Construction software", "Marketing automation", "E-commerce infrastructure",
)  # fmt: skip
PRODUCTS = (
    "Shop-floor scheduling suite", "Contract lifecycle manager", "Usage-based billing engine",
    "Warehouse control tower",
    "Incident response console", "Forecasting workbench", "Vendor risk portal", "Field service planner",
    "Grid balancing optimiser", "Learning platform for plants", "Claims triage assistant", "Freight audit service",
)  # fmt: skip
# (city, state as one source writes it, state as another writes it, country, area code)
PLACES = (
    ("Dayton", "OH", "Ohio", "United States", "+1 937"),
    ("Austin", "TX", "Texas", "United States", "+1 512"),
    ("Boulder", "CO", "Colorado", "United States", "+1 303"),
    ("Raleigh", "NC", "North Carolina", "United States", "+1 919"),
    ("San Mateo", "CA", "California", "United States", "+1 650"),
    ("Toronto", "ON", "Ontario", "Canada", "+1 416"),
    ("Montréal", "QC", "Québec", "Canada", "+1 514"),
    ("Manchester", "ENG", "England", "United Kingdom", "+44 161"),
    ("Köln", "NW", "Nordrhein-Westfalen", "Germany", "+49 221"),
    ("Wien", "W", "Wien", "Austria", "+43 1"),
    ("Malmö", "M", "Skåne", "Sweden", "+46 40"),
    ("Tampere", "06", "Pirkanmaa", "Finland", "+358 3"),
    ("Lyon", "ARA", "Auvergne-Rhône-Alpes", "France", "+33 4"),
    ("Wrocław", "DS", "Dolnośląskie", "Poland", "+48 71"),
)
EMPLOYEES = ("11-50", "51-200", "120", "201-500", "501-1,000", "1,000+", "1,001-5,000", "5,000+")
REVENUES = ("$1M-$5M", "$5M-$10M", "$10M-$20M", "$20M-$50M", "$50M", "$50M-$100M", "€80M", "$100M+", "$250M")
TECHNOLOGIES = ("Postgres", "Kafka", "Snowflake", "SAP", "Kubernetes", "Salesforce", "dbt", "Terraform", "React", "Go")
PRICING_MODELS = ("per seat", "usage-based", "flat annual", "freemium", "on request")
# stage -> amounts in dollars; None: not disclosed
ROUNDS: dict[str, tuple[int | None, ...]] = {
    "Seed": (1_500_000, 3_200_000, None),
    "Series A": (8_000_000, 12_500_000),
    "Series B": (24_000_000, 31_000_000, None),
    "Series C": (61_000_000, 75_000_000),
    "Growth": (120_000_000, None),
}
FAIR_HALLS = ("Hall 3", "Hall 5", "Hall 8", "Hall 11", "Start-up lane")

FIRST_NAMES = (
    "Imogen", "Rafael", "Anneliese", "Tomasz", "Priya", "Jonas", "Mireille", "Kwame", "Saoirse", "Dmitri", "Leila",
    "Håkon", "Zoë", "Marcus", "Yuki", "Beatriz", "Elliot", "Nadia", "Grace", "Viktor", "Amara", "Søren", "Chloé",
    "Owen",
)  # fmt: skip
LAST_NAMES = (
    "Calloway", "Okafor", "Lindqvist", "Brandt", "Nakamura", "Delacroix", "Whitfield", "Sørensen", "Kowalczyk", "Iyer",
    "Vance", "O'Rourke", "Castellanos", "Haugen", "Mbeki", "Fairweather", "Novák", "Ashdown", "Virtanen", "Moreau",
    "Pemberton", "Yılmaz", "Hollis", "Strand",
)  # fmt: skip
TITLES = (
    "VP Operations", "Chief Revenue Officer", "Head of Procurement", "Director of IT", "CTO", "VP Sales",
    "Head of RevOps", "Plant Systems Manager", "Chief Financial Officer", "Director, Partnerships",
)  # fmt: skip

# signal type -> (name shown, summaries)
SIGNALS: dict[str, tuple[str, tuple[str, ...]]] = {
    "funding": ("Funding & Budget Events", ("{company} closed a {round} of ${amount}M led by {investor}.",)),
    "leadership_change": ("Leadership Changes", ("{person} joined {company} as {title}.",)),
    "layoff": ("Layoffs", ("{company} is cutting about {percent} % of its staff, mostly in support.",)),
    "product_launch": ("Product Launches", ("{company} launched {product} for mid-size customers.",)),
    "partnership": ("Partnerships", ("{company} and {other} will resell each other's products.",)),
    "acquisition": ("Acquisitions", ("{company} agreed to buy {other} for an undisclosed sum.",)),
    "expansion": ("Expansion", ("{company} opens an office in {city} and plans {count} hires there.",)),
    "award": ("Awards", ("{company} was named best newcomer at the {city} software awards.",)),
    "pivot": ("Strategy Pivots", ("{company} retires its services arm to focus on {product}.",)),
    "regulatory": ("Regulatory", ("A regulator opened a consultation that names {company}'s market.",)),
    "rfp": ("RFPs & Tenders", ("{company} published a tender for a new data platform, due in {count} days.",)),
    "contract_renewal": ("Contract Renewals", ("{company}'s ERP contract comes up for renewal this year.",)),
    "hiring_surge": ("Hiring Surges", ("{company} opened {count} engineering positions within two weeks.",)),
    "infrastructure": ("Infrastructure", ("{company} is moving its workloads off its own data centre.",)),
    "compliance": ("Compliance", ("{company} completed its SOC 2 Type II audit.",)),
    "job_posting": ("Job Postings", ("{company} is looking for a {title} in {city}.",)),
    "other": ("Plant automation", ("{company} showed an automated line at the {city} trade fair — a first.",)),
}
TOPICS = (
    ("rfp", "Three utilities in {city} announced a joint tender for grid-scale storage of {count} MWh."),
    ("regulatory", "New draft rules would let storage operators stack capacity and balancing revenues."),
    ("other", "Prices of stationary storage cells fell by {percent} % quarter on quarter."),
    ("funding", "A €{amount} million fund for second-life batteries opened for applications."),
    ("other", "Several regional vendors announced shared data standards for storage telemetry."),
    ("partnership", "A rail operator and two cell makers will reuse train batteries around {city}."),
    ("infrastructure", "The first {count} MW of a storage park near {city} went onto the grid."),
    ("award", "A storage pilot in {city} received the regional energy prize."),
    ("layoff", "A maker of flow batteries is cutting {percent} % of its jobs after a lost tender."),
    ("expansion", "Storage projects worth {amount} million were announced around {city} this week."),
)
INVESTORS = ("Fernhill Ventures", "Quayside Capital", "Northlight Partners", "Bluestem Fund", "Oak & Anchor")
NEWS_DOMAINS = (
    "news-wire.example", "tradepress.example", "registry.example", "social.example", "cityjournal.example",
    "filings.example", "podcast.example", "jobs.example",
)  # fmt: skip
STRENGTHS = ("HIGH", "MEDIUM", "LOW", "strong", "moderate", "weak", None)
DISCARD_REASONS = (
    "Headcount outside range", "Headquarters outside the regions asked for", "Not a software vendor",
    "Already a customer according to the feedback given", "Website could not be verified",
)  # fmt: skip
ERROR_TEXTS = {
    "rate_limit": "Rate limit exceeded for provider northlight-search",
    "invalid_configuration": "Invalid configuration: the ICP has no sheet for entity type 'company'",
    "sheet_capacity": "Sheet capacity exceeded: the sheet holds its maximum number of entities",
    "timeout": "Workflow exceeded its time limit",
    "provider_error": "Provider error: northlight-enrich answered with status 503",
    "other": "Unexpected state in workflow step 'merge_candidates'",
}
