-- Version 3 to 4: the same two triggers, but a change that is not allowed takes the whole transaction with it. Whoever tries one dies
-- anyway (replay/ledger.c), and a statement that cannot be undone alone needs no copy of every page it touches: half of what a row cost.
DROP TRIGGER done_is_final;
DROP TRIGGER only_unsent_goes;
-- The state machine: 1 intent, 2 unknown, 3 done, 4 rejected, 5 gone. Only an edit (10) may be opened again after it was
-- done, because the source may change twice.
CREATE TRIGGER done_is_final AFTER UPDATE OF state, target ON op WHEN CASE OLD.state
	WHEN 1 THEN NEW.state NOT BETWEEN 2 AND 4
	WHEN 2 THEN NEW.state NOT BETWEEN 1 AND 4
	WHEN 3 THEN NOT (NEW.state = 5 AND NEW.target IS OLD.target OR NEW.state = 1 AND OLD.kind = 10)
	ELSE NEW.state <> 1 END
BEGIN SELECT RAISE(ROLLBACK, 'this change of state is not allowed'); END;
CREATE TRIGGER only_unsent_goes AFTER DELETE ON op WHEN OLD.state <> 1
BEGIN SELECT RAISE(ROLLBACK, 'only an intent that was never sent may be forgotten'); END;
