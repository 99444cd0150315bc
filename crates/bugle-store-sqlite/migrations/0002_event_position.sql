-- The order in which events became visible. It is not the order of their ids, which are made before the commit; nearly
-- always it is the same, and then an event's position is its id.

ALTER TABLE event ADD COLUMN position INTEGER;
UPDATE event SET position = id;
CREATE UNIQUE INDEX event_by_position ON event (position);
