"""Robots: arms, drones, vehicles with wheels or legs."""
