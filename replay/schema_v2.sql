-- Version 1 to 2: is this file the newest state of the ledger, or a copy that was put back? (replay/ledger_mark.c)
-- ident tells this ledger from every other; intents counts what was ever committed as intent and never goes back.
ALTER TABLE status ADD COLUMN ident INTEGER NOT NULL DEFAULT 0;
ALTER TABLE status ADD COLUMN intents INTEGER NOT NULL DEFAULT 0;
UPDATE status SET ident = random(), intents = (SELECT coalesce(sum(tries), 0) FROM op);
