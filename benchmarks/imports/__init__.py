"""Runs that other load generators made, judged again and turned into results of ours."""
