"""One adapter per family of models: builds the network and loads its weights. Imported only when one is loaded."""
