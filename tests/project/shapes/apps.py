from django.apps import AppConfig


class ShapesConfig(AppConfig):
    name = "project.shapes"
    label = "shapes"
