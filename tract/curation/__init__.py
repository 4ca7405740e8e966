"""Changes to a context that need judgement, from people or models: compressions, merges, replays and the like."""
