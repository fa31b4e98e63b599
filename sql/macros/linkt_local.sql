-- description: A moment of a model as the clocks of a zone show it, for its day, week or month. The session's zone has no
--   part in it.
-- parameter moment: A TIMESTAMP in UTC.
-- parameter zone: Name of the zone, such as Europe/Berlin.
-- returns: TIMESTAMP without a zone.
case when zone = 'UTC' then moment else timezone(zone, timezone('UTC', moment)) end
