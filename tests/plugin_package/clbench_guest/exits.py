import os

print("goodbye")
os._exit(3)
