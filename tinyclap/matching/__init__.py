"""How well do sounds and sentences fit? The CLAP score, captions found for clips, labels made from examples."""
