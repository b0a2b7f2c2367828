-- Version 5 to 6: which accounts have written besides the one of the bond, so that what they wrote is still known for ours when their tokens
-- are not given any more.
CREATE TABLE bot(id TEXT PRIMARY KEY) STRICT;
