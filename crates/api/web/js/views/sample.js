// A batch to try things with.

const QUESTIONS = [
  'Name three things that are best done overnight.',
  'Why is the night sky dark?',
  'Translate "good night" into five languages.',
  'Classify the sentiment: "It just worked."',
  'Write a haiku about a queue.',
];

/** The text of a JSONL file with so many requests for a model. */
export function sampleFile(model, lines) {
  return Array.from({ length: lines }, (_, index) =>
    JSON.stringify({
      custom_id: `sample-${index + 1}`,
      method: 'POST',
      url: '/v1/chat/completions',
      body: { model, messages: [{ role: 'user', content: QUESTIONS[index % QUESTIONS.length] }] },
    }),
  ).join('\n');
}
