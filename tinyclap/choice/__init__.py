"""Which run or bundle is meant? What was named, or else the newest."""
