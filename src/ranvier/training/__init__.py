"""Training and prediction as programs: what runs, how it is watched, what it leaves."""
