"""Sessions: the rules that derive them from activities, and what records, closes and rebuilds them."""
