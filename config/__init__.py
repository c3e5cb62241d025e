"""Settings, Asterisk templates and database migrations."""
