-- The ledger, version 1. Explained column by column in docs/mvchat-ledger.5; numbers of states and kinds are those of
-- enum op_state (replay/ledger.h) and enum op_kind (core/op.h) and never change.

-- Every version this file has had: forward migrations only.
CREATE TABLE migration(version INTEGER PRIMARY KEY, at INTEGER NOT NULL, program TEXT NOT NULL) STRICT;

-- One row: does the last writer's end still have to be checked (clean = 0)?
CREATE TABLE status(one INTEGER PRIMARY KEY CHECK(one = 1), clean INTEGER NOT NULL) STRICT;
INSERT INTO status VALUES(1, 0);

-- This ledger belongs to this pair, for ever.
CREATE TABLE bond(one INTEGER PRIMARY KEY CHECK(one = 1), source TEXT NOT NULL, target TEXT NOT NULL) STRICT;

CREATE TABLE run(id INTEGER PRIMARY KEY, cmd TEXT NOT NULL, began INTEGER NOT NULL, ended INTEGER, exit INTEGER,
	mapping BLOB NOT NULL CHECK(length(mapping) = 32), version TEXT NOT NULL) STRICT;

CREATE TABLE conv(num INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO conv VALUES(0, '');
CREATE TABLE lane(num INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

CREATE TABLE op(
	conv INTEGER NOT NULL, ts INTEGER NOT NULL, id TEXT NOT NULL, kind INTEGER NOT NULL, part INTEGER NOT NULL,
	lane INTEGER NOT NULL, seq INTEGER NOT NULL,
	state INTEGER NOT NULL CHECK(state IN (1, 2, 3, 4, 5)),
	target TEXT, target2 TEXT, why TEXT,
	src_fp INTEGER NOT NULL, body_fp INTEGER NOT NULL, loss INTEGER NOT NULL,
	tries INTEGER NOT NULL, sent INTEGER NOT NULL, run INTEGER NOT NULL,
	PRIMARY KEY(conv, ts, id, kind, part),
	CHECK(kind BETWEEN 1 AND 11),
	CHECK((state IN (3, 5)) = (target IS NOT NULL))
) STRICT, WITHOUT ROWID;
-- The order of writing inside a lane.
CREATE UNIQUE INDEX op_lane ON op(lane, seq);
-- Single flight: never two unresolved ops in one lane.
CREATE UNIQUE INDEX one_open ON op(lane) WHERE state IN (1, 2);
-- A message of the target belongs to one post.
CREATE UNIQUE INDEX one_target ON op(target) WHERE kind = 4 AND target IS NOT NULL;
-- Who made this person, chat or thread (two people of the source may share one account, so it is not unique).
CREATE INDEX op_made ON op(kind, target) WHERE kind IN (1, 2, 5) AND target IS NOT NULL;
-- What the target refused: for reports.
CREATE INDEX op_rejected ON op(lane, seq) WHERE state = 4;

-- The state machine: 1 intent, 2 unknown, 3 done, 4 rejected, 5 gone. Only an edit (10) may be opened again after it was
-- done, because the source may change twice.
CREATE TRIGGER done_is_final BEFORE UPDATE OF state, target ON op WHEN CASE OLD.state
	WHEN 1 THEN NEW.state NOT IN (2, 3, 4)
	WHEN 2 THEN NEW.state NOT IN (1, 2, 3, 4)
	WHEN 3 THEN NOT (NEW.state = 5 AND NEW.target IS OLD.target OR NEW.state = 1 AND OLD.kind = 10)
	ELSE NEW.state <> 1 END
BEGIN SELECT RAISE(ABORT, 'this change of state is not allowed'); END;
CREATE TRIGGER only_unsent_goes BEFORE DELETE ON op WHEN OLD.state <> 1
BEGIN SELECT RAISE(ABORT, 'only an intent that was never sent may be forgotten'); END;
