"""What is known of a project, and `.context/project.yaml`, where a person reads and edits it."""
