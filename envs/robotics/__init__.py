"""Robots. Each robot is checked against equations of its own in tests; units are SI."""
