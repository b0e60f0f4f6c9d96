"""What a contrastive training needs besides its loop."""
