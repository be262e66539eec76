"""A Django project with a chat on Channels, beside Moorline."""
