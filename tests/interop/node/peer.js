// The interoperability peer on @grpc/grpc-js.
//
//     node peer.js server|client --name=value ...
//
// The options are those of gRPC's own programs. The server prints its port and
// serves until its standard input ends; the client runs one case, as gRPC's
// doc/interop-test-descriptions.md describes it. NODE_PATH says where the
// packages of package.json are.
'use strict';

const assert = require('assert');
const fs = require('fs');
const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const { TestService, UnimplementedService } = grpc.loadPackageDefinition(
  loader.loadSync('grpc/testing/test.proto', {
    includeDirs: [path.join(__dirname, '../proto')],
    keepCase: true,
    defaults: true,
  })).grpc.testing;

const ECHO_HEADER = 'x-grpc-test-echo-initial';
const ECHO_TRAILER = 'x-grpc-test-echo-trailing-bin';
const GZIP = 2;

const zeros = (size) => Buffer.alloc(size);

// ---- Server ----

function echoMetadata(call) {
  const header = call.metadata.get(ECHO_HEADER);
  const trailer = call.metadata.get(ECHO_TRAILER);
  const trailers = new grpc.Metadata();

  if (header.length > 0) {
    const headers = new grpc.Metadata();
    headers.set(ECHO_HEADER, header[0]);
    call.sendMetadata(headers);
  }
  if (trailer.length > 0) trailers.set(ECHO_TRAILER, trailer[0]);
  return trailers;
}

function asError(status, metadata) {
  return { code: status.code, details: status.message, metadata };
}

function writeOutputs(call, request) {
  for (const { size } of request.response_parameters)
    call.write({ payload: { body: zeros(size) } });
}

const handlers = {
  EmptyCall(call, done) {
    done(null, {});
  },

  UnaryCall(call, done) {
    const trailers = echoMetadata(call);
    const { response_status: status, response_size: size } = call.request;

    if (status && status.code !== 0) done(asError(status, trailers));
    else done(null, { payload: { body: zeros(size) } }, trailers);
  },

  StreamingOutputCall(call) {
    writeOutputs(call, call.request);
    call.end();
  },

  StreamingInputCall(call, done) {
    let total = 0;

    call.on('data', (request) => {
      if (request.payload) total += request.payload.body.length;
    });
    call.on('end', () => done(null, { aggregated_payload_size: total }));
  },

  FullDuplexCall(call) {
    const trailers = echoMetadata(call);

    call.on('data', (request) => {
      const status = request.response_status;

      if (status && status.code !== 0)
        call.emit('error', asError(status, trailers));
      else writeOutputs(call, request);
    });
    call.on('end', () => call.end(trailers));
  },
};

function runServer(options) {
  const server = new grpc.Server();
  const credentials = options.use_tls === 'true'
    ? grpc.ServerCredentials.createSsl(null, [{
      private_key: fs.readFileSync(options.tls_key_file),
      cert_chain: fs.readFileSync(options.tls_cert_file),
    }])
    : grpc.ServerCredentials.createInsecure();

  server.addService(TestService.service, handlers);
  server.bindAsync('127.0.0.1:0', credentials, (error, port) => {
    if (error) throw error;
    console.log(port);
  });
  process.stdin.on('end', () => process.exit(0)).resume();
}

// ---- Client ----

const soon = () => ({ deadline: Date.now() + 60000 });

// Runs a call that answers once: { error, response, headers, status }.
function once(start) {
  return new Promise((resolve) => {
    const result = {};
    const call = start((error, response) => Object.assign(
      result, { error, response }));

    call.on('metadata', (headers) => { result.headers = headers; });
    call.on('status', (status) => {
      result.status = status;
      setImmediate(resolve, result);
    });
  });
}

// Watches a stream: { responses, headers, status }.
function ended(call, onResponse = () => {}) {
  return new Promise((resolve) => {
    const result = { responses: [] };

    call.on('metadata', (headers) => { result.headers = headers; });
    call.on('data', (response) => {
      result.responses.push(response);
      onResponse(result.responses.length);
    });
    call.on('error', () => {}); // the status says it
    call.on('status', (status) => {
      result.status = status;
      setImmediate(resolve, result);
    });
  });
}

function expectCode({ status }, code) {
  assert.strictEqual(status.code, code, status.details);
}

function expectBodies(responses, sizes) {
  assert.deepStrictEqual(
    responses.map(({ payload }) => payload.body.length), sizes);
  for (const { payload } of responses)
    assert(payload.body.equals(zeros(payload.body.length)));
}

const REQUEST_SIZES = [27182, 8, 1828, 45904];
const RESPONSE_SIZES = [31415, 9, 2653, 58979];

const ask = (body, ...sizes) => ({
  response_parameters: sizes.map((size) => ({ size })),
  payload: { body: zeros(body) },
});

async function large(client, fields, metadata = new grpc.Metadata()) {
  return once((done) => client.UnaryCall({
    response_size: 314159, payload: { body: zeros(271828) }, ...fields,
  }, metadata, soon(), done));
}

async function expectLarge(client, fields, metadata) {
  const result = await large(client, fields, metadata);

  expectCode(result, grpc.status.OK);
  expectBodies([result.response], [314159]);
  return result;
}

function expectStatus(result, message) {
  expectCode(result, grpc.status.UNKNOWN);
  assert.strictEqual(result.status.details, message);
}

const cases = {
  async empty_unary({ client }) {
    const result = await once((done) => client.EmptyCall({}, soon(), done));

    expectCode(result, grpc.status.OK);
    assert.deepEqual(result.response, {});
  },

  async large_unary({ client }) {
    await expectLarge(client);
  },

  async client_streaming({ client }) {
    const result = await once((done) => {
      const call = client.StreamingInputCall(soon(), done);

      for (const size of REQUEST_SIZES)
        call.write({ payload: { body: zeros(size) } });
      call.end();
      return call;
    });

    expectCode(result, grpc.status.OK);
    assert.strictEqual(result.response.aggregated_payload_size, 74922);
  },

  async server_streaming({ client }) {
    const result = await ended(
      client.StreamingOutputCall(ask(0, ...RESPONSE_SIZES), soon()));

    expectCode(result, grpc.status.OK);
    expectBodies(result.responses, RESPONSE_SIZES);
  },

  async ping_pong({ client }) {
    const call = client.FullDuplexCall(soon());
    const next = (i) => {
      if (i < 4) call.write(ask(REQUEST_SIZES[i], RESPONSE_SIZES[i]));
      else call.end();
    };

    next(0);
    const result = await ended(call, next);
    expectCode(result, grpc.status.OK);
    expectBodies(result.responses, RESPONSE_SIZES);
  },

  async empty_stream({ client }) {
    const call = client.FullDuplexCall(soon());

    call.end();
    const result = await ended(call);
    expectCode(result, grpc.status.OK);
    expectBodies(result.responses, []);
  },

  async custom_metadata({ client }) {
    const metadata = new grpc.Metadata();

    metadata.set(ECHO_HEADER, 'test_initial_metadata_value');
    metadata.set(ECHO_TRAILER, Buffer.from('ababab', 'hex'));
    const unary = await expectLarge(client, {}, metadata);
    const call = client.FullDuplexCall(metadata, soon());
    call.write(ask(271828, 314159));
    call.end();
    const duplex = await ended(call);
    expectCode(duplex, grpc.status.OK);
    expectBodies(duplex.responses, [314159]);
    for (const { headers, status } of [unary, duplex]) {
      assert.deepStrictEqual(
        headers.get(ECHO_HEADER), ['test_initial_metadata_value']);
      assert.deepStrictEqual(
        status.metadata.get(ECHO_TRAILER), [Buffer.from('ababab', 'hex')]);
    }
  },

  async status_code_and_message({ client }) {
    const status = { code: 2, message: 'test status message' };
    const call = client.FullDuplexCall(soon());

    expectStatus(await once((done) => client.UnaryCall(
      { response_status: status }, soon(), done)), status.message);
    call.write({ response_status: status });
    call.end();
    expectStatus(await ended(call), status.message);
  },

  async special_status_message({ client }) {
    const message = '\t\ntest with whitespace\r\nand Unicode BMP \u263a ' +
      'and non-BMP \u{1f608}\t\n';

    expectStatus(await once((done) => client.UnaryCall(
      { response_status: { code: 2, message } }, soon(), done)), message);
  },

  async unimplemented_method({ client }) {
    expectCode(await once((done) => client.UnimplementedCall(
      {}, soon(), done)), grpc.status.UNIMPLEMENTED);
  },

  async unimplemented_service({ connect }) {
    expectCode(await once((done) => connect(
      UnimplementedService).UnimplementedCall({}, soon(), done)),
    grpc.status.UNIMPLEMENTED);
  },

  // Those that are given up follow a call that is answered: without a
  // connection they would end before the server hears of them.

  async cancel_after_begin({ client }) {
    await cases.empty_unary({ client });
    expectCode(await once((done) => {
      const call = client.StreamingInputCall(soon(), done);

      setImmediate(() => call.cancel());
      return call;
    }), grpc.status.CANCELLED);
  },

  async cancel_after_first_response({ client }) {
    const call = client.FullDuplexCall(soon());

    call.write(ask(27182, 31415));
    const result = await ended(call, () => call.cancel());
    expectBodies(result.responses, [31415]);
    expectCode(result, grpc.status.CANCELLED);
  },

  async timeout_on_sleeping_server({ client }) {
    await cases.empty_unary({ client });
    const call = client.FullDuplexCall({ deadline: Date.now() + 1 });

    call.write({ payload: { body: zeros(27182) } });
    expectCode(await ended(call), grpc.status.DEADLINE_EXCEEDED);
  },

  // The channel decides about compression.
  async client_compressed_unary({ client, connect }) {
    const compressing = connect(
      TestService, { 'grpc.default_compression_algorithm': GZIP });

    expectCode(await large(client, { expect_compressed: { value: true } }),
      grpc.status.INVALID_ARGUMENT);
    await expectLarge(compressing, { expect_compressed: { value: true } });
    await expectLarge(client, { expect_compressed: { value: false } });
  },
};

async function runClient(options) {
  const isSecure = options.use_tls === 'true';
  const credentials = isSecure
    ? grpc.credentials.createSsl(fs.readFileSync(options.ca_file))
    : grpc.credentials.createInsecure();
  const connect = (Service, channelOptions = {}) => new Service(
    `${options.server_host}:${options.server_port}`, credentials, {
      ...channelOptions,
      ...(isSecure
        ? { 'grpc.ssl_target_name_override': options.server_host_override }
        : {}),
    });

  await cases[options.test_case]({ client: connect(TestService), connect });
  console.log(`${options.test_case} passed`);
  process.exit(0);
}

const [side, ...words] = process.argv.slice(2);
const options = Object.fromEntries(
  words.map((word) => word.match(/^--([^=]*)=(.*)$/).slice(1)));

if (side === 'server') {
  runServer(options);
} else {
  runClient(options).catch((error) => {
    console.error(error);
    process.exit(1);
  });
}
