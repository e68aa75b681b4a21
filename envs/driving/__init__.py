"""Driving: cars on the motorway and on the race track."""
