"""What is kept: the ledger and its lines, acceptances, artefacts in the store, files written whole or not at all."""
