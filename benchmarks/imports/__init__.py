"""Results of other load generators, re-judged, as results of ours."""
