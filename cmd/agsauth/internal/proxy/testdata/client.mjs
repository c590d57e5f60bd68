// A program that knows nothing of tokens: client.mjs post|events|upload URL.
import http from "node:http";

const [job, url] = process.argv.slice(2);
if (job === "post") {
  const response = await fetch(url, { method: "POST", body: "x".repeat(1024), headers: { Authorization: "Bearer placeholder" } });
  console.log(response.status, await response.text());
} else if (job === "events") {
  const response = await fetch(url);
  for await (const chunk of response.body) process.stdout.write(chunk);
} else if (job === "upload") {
  const request = http.request(url, { method: "PUT" }, async (response) => {
    let body = "";
    for await (const chunk of response) body += chunk;
    console.log(response.statusCode, body);
    process.exit(0);
  });
  request.write(Buffer.alloc(4 << 20)); // without a length: chunked
  request.end(Buffer.alloc(4 << 20));
}
