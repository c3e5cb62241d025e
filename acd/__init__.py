"""Who gets which call: agents' presence, queues, skills, routing, offers. Pure decisions."""
