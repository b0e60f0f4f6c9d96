"""How well do sounds and sentences fit? The CLAP score of clips and their prompts, and captions found for clips."""
