"""What a repository is made of: languages, manifests, frameworks, modules. It reads; it runs nothing."""
