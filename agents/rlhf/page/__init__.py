"""The page that people label on: one static file, and the small server behind it."""
