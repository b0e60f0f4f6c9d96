"""What every room uses: files, rows on disk, progress, numbers, statistics, the machine."""
