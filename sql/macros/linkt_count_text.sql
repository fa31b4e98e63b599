-- description: A text about a number of people with the words for people gone, and with 1.000 as the thousand that it has to be:
--   there are no fractions of people.
-- parameter text: Text as sent.
-- returns: VARCHAR
list_transform(
    list_transform(
        [linkt_plain(text)],
        lambda t: case when regexp_full_match(t, '[\d,+ -]*') then t
            else trim(regexp_replace(
                t,
                '\b(?:(?:full[ -]time )?employees?|people|persons?|staff(?: members)?|workers?|ftes?|head ?count|team members|members|professionals|'
                || 'mitarbeiter(?:innen)?|beschaftigte|personen|employes|salaries|personnes|empleados|trabajadores|personas|dipendenti|'
                || 'medewerkers|funcionarios|worldwide|globally|in total|total)\b ?:?|人|名|位|员工|員工|社員|명', ' ', 'g'
            ))
        end
    ),
    -- Neighbours share the dash between them, so a group is found by what follows it alone; 1.234.567 is left to linkt_number.
    lambda t: case when contains(t, '.') and not regexp_matches(t, ',|\d\.\d+\.\d|\.\d{3}\d')
            then regexp_replace(t, '\b([1-9]\d{0,2})\.(\d{3})( *(?:[-<>+~]|to|bis|oder|or|$))', '\1\2\3', 'g')
        else t
    end
)[1]
