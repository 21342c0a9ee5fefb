"""The command line: train, predict, evaluate, inspect, doctor. Only here are rich and typer."""
