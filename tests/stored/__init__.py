"""What released versions have stored, a folder each, and what stands in it."""
