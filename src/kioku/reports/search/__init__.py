"""Search: what in a store is about what a person asks.

`wanted` says what can be asked for and what is found; `asking` makes words of any text; `postings` reads of the index
where they stand; `ranking` weighs sessions and turns; `others` finds discoveries and files; `search` puts all together.
"""
