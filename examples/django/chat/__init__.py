"""The chat: rooms and messages in the ORM, one socket a person for all rooms."""
