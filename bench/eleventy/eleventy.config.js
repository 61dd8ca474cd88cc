// A site of the same pages as the others in bench/generators.py: posts, an index, a feed of the newest twenty.
export default function (config) {
  config.addCollection("posts", (api) => api.getFilteredByGlob("content/posts/*.md").sort((a, b) => b.date - a.date));
  config.addFilter("day", (date) => date.toISOString().slice(0, 10));
  config.addFilter("newest", (posts) => posts.slice(0, 20));
  return { dir: { input: "content", output: "output", includes: "../layouts" }, markdownTemplateEngine: false };
}
