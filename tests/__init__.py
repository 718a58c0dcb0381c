"""What the tests share: programs that are really run, and what lies in the files they leave."""
