"""Driving: cars among cars, and cars against the clock."""
