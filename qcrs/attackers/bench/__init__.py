"""`qcrs bench verify`: false accepts and false rejects of the judge, measured and written into a table."""
