-- Version 2 to 3: the same table under the same rules, spelled so that SQLite needs no scratch table to check them. It makes one
-- for each list of three or more (IN (1, 2, 5)) every time a row changes: half of what a message cost.
CREATE TABLE op_new(
	conv INTEGER NOT NULL, ts INTEGER NOT NULL, id TEXT NOT NULL, kind INTEGER NOT NULL, part INTEGER NOT NULL,
	lane INTEGER NOT NULL, seq INTEGER NOT NULL,
	state INTEGER NOT NULL CHECK(state BETWEEN 1 AND 5),
	target TEXT, target2 TEXT, why TEXT,
	src_fp INTEGER NOT NULL, body_fp INTEGER NOT NULL, loss INTEGER NOT NULL,
	tries INTEGER NOT NULL, sent INTEGER NOT NULL, run INTEGER NOT NULL,
	PRIMARY KEY(conv, ts, id, kind, part),
	CHECK(kind BETWEEN 1 AND 11),
	CHECK((state = 3 OR state = 5) = (target IS NOT NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO op_new SELECT conv, ts, id, kind, part, lane, seq, state, target, target2, why, src_fp, body_fp, loss, tries, sent, run FROM op;
DROP TABLE op;
ALTER TABLE op_new RENAME TO op;
-- The order of writing inside a lane.
CREATE UNIQUE INDEX op_lane ON op(lane, seq);
-- Single flight: never two unresolved ops in one lane.
CREATE UNIQUE INDEX one_open ON op(lane) WHERE state IN (1, 2);
-- A message of the target belongs to one post.
CREATE UNIQUE INDEX one_target ON op(target) WHERE kind = 4 AND target IS NOT NULL;
-- Who made this person, chat or thread (two people of the source may share one account, so it is not unique).
CREATE INDEX op_made ON op(kind, target) WHERE (kind = 1 OR kind = 2 OR kind = 5) AND target IS NOT NULL;
-- What the target refused: for reports.
CREATE INDEX op_rejected ON op(lane, seq) WHERE state = 4;

-- The state machine: 1 intent, 2 unknown, 3 done, 4 rejected, 5 gone. Only an edit (10) may be opened again after it was
-- done, because the source may change twice.
CREATE TRIGGER done_is_final BEFORE UPDATE OF state, target ON op WHEN CASE OLD.state
	WHEN 1 THEN NEW.state NOT BETWEEN 2 AND 4
	WHEN 2 THEN NEW.state NOT BETWEEN 1 AND 4
	WHEN 3 THEN NOT (NEW.state = 5 AND NEW.target IS OLD.target OR NEW.state = 1 AND OLD.kind = 10)
	ELSE NEW.state <> 1 END
BEGIN SELECT RAISE(ABORT, 'this change of state is not allowed'); END;
CREATE TRIGGER only_unsent_goes BEFORE DELETE ON op WHEN OLD.state <> 1
BEGIN SELECT RAISE(ABORT, 'only an intent that was never sent may be forgotten'); END;
