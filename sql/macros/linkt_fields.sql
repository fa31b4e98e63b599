-- description: The fields of an entity, as far as the models take them apart. Of an entity larger than 1 MB (a text or a
--   list that went wrong, mostly) the usual fields alone, because DuckDB would need a hundred times its size for all:
--   linkt.entities keeps them.
-- parameter data: All fields as sent.
-- returns: JSON, as sent where it is of an ordinary size.
case
    when strlen(data) <= 1_048_576 then data
    else to_json(map_from_entries(list_filter(
        list_zip(
            [
                'name', 'full_name', 'first_name', 'last_name', 'title', 'job_title', 'website', 'linkedin',
                'linkedin_url', 'industry', 'headquarters', 'location', 'employees', 'employee_count',
                'revenue', 'email', 'phone', 'company', 'department', 'seniority'
            ],
            -- Constant paths: a lambda over the names would hold the whole entity once for each of them.
            json_extract(
                data,
                [
                    '$.name', '$.full_name', '$.first_name', '$.last_name', '$.title', '$.job_title', '$.website',
                    '$.linkedin', '$.linkedin_url', '$.industry', '$.headquarters', '$.location', '$.employees',
                    '$.employee_count', '$.revenue', '$.email', '$.phone', '$.company', '$.department',
                    '$.seniority'
                ]
            )
        ),
        lambda entry: strlen(entry[2]) <= 32_768
    )))
end
