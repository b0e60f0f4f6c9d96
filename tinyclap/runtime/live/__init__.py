"""From live sound to answers, events and what they set off."""
