-- Version 4 to 5: uploads run ahead of the messages that name them. Nobody sees one before that, so several may be open beside the
-- one other op of their lane: each of them counts under its own place in it, all else under 0, of which there is one.
DROP INDEX one_open;
CREATE UNIQUE INDEX one_open ON op(lane, CASE kind WHEN 3 THEN seq ELSE 0 END) WHERE state IN (1, 2);
