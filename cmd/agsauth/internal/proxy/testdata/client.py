"""A program that knows nothing of tokens: client.py post|events|upload URL."""
import http.client
import sys
import urllib.parse
import urllib.request

job, url = sys.argv[1:]
if job == "post":
    request = urllib.request.Request(url, data=b"x" * 1024, headers={"Authorization": "Bearer placeholder"})
    with urllib.request.urlopen(request) as response:
        print(response.status, response.read().decode())
elif job == "events":
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("GET", parts.path)
    for line in connection.getresponse():
        print(line.decode().strip(), flush=True)
elif job == "upload":
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    # http.client reads the response only after it has sent the whole body.
    connection.request("PUT", parts.path, body=bytes(8 << 20))
    response = connection.getresponse()
    print(response.status, response.read().decode())
