// The surface to turn, drawn by WebGL: a point for each pixel, painted with one of the flat pictures.

const VERTEX = `#version 300 es
in float after, before;
uniform ivec2 size;
uniform vec4 view;   // left, top, width, height in pixels
uniform float edge;  // the column left of which before is shown
uniform float middle, lift, aspect, zoom;
uniform mat3 turn;
out vec2 at;
out float there, first;
void main() {
  vec2 pixel = vec2(gl_VertexID % size.x, gl_VertexID / size.x) + 0.5;
  first = pixel.x < edge ? 1.0 : 0.0;
  float depth = first > 0.5 ? before : after;
  bool seen = depth >= 0.0 && all(greaterThanEqual(pixel, view.xy)) && all(lessThanEqual(pixel, view.xy + view.zw));
  there = seen ? 1.0 : 0.0;
  at = pixel / vec2(size);
  vec2 flat_ = (pixel - view.xy - 0.5 * view.zw) * 2.0 / max(view.z, view.w);
  float up = (middle - max(depth, 0.0)) * lift * 2.0 / max(view.z, view.w);
  vec3 place = turn * vec3(flat_.x, -flat_.y, up);
  float away = 4.2 - place.z;
  gl_Position = vec4(place.x * 3.0 * zoom / aspect, place.y * 3.0 * zoom, away - 2.0, away);
}`;
const FRAGMENT = `#version 300 es
precision highp float;
in vec2 at;
in float there, first;
uniform sampler2D paintAfter, paintBefore, lightAfter, lightBefore;
uniform float lit;  // how much of the light of the surface's picture falls on the paint
out vec4 colour;
void main() {
  if (there < 0.999) discard;
  vec3 paint = first > 0.5 ? texture(paintBefore, at).rgb : texture(paintAfter, at).rgb;
  float light = first > 0.5 ? texture(lightBefore, at).r : texture(lightAfter, at).r;
  colour = vec4(paint * mix(1.0, light / 0.75, lit), 1.0);
}`;

function programOf(gl) {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program));
  gl.useProgram(program);
  return program;
}

// Shares of the range of depth, cut off where pixels fly; -1 where nothing is measured.
function sharesOf({ sample }, steps) {
  const [low, high] = sample.range;
  const [least, most] = sample.clip.map((end) => (end - low) / ((high - low) || 1));
  const out = new Float32Array(steps.length);
  for (let at = 0; at < steps.length; at++) {
    out[at] = steps[at] ? Math.min(Math.max((steps[at] - 1) / 65534, least), most) : -1;
  }
  return out;
}

function trianglesOf({ width, height, depth, depthBefore }) {
  const out = new Uint32Array(6 * (width - 1) * (height - 1));
  const seen = (at) => depth[at] || depthBefore?.[at];
  let count = 0;
  const add = (a, b, c) => {
    if (!seen(a) || !seen(b) || !seen(c)) return;
    out[count] = a;
    out[count + 1] = b;
    out[count + 2] = c;
    count += 3;
  };
  for (let at = 0; at < width * (height - 1); at++) {
    if (at % width === width - 1) continue;
    add(at, at + width, at + 1);
    add(at + 1, at + width, at + width + 1);
  }
  return out.subarray(0, count);
}

class Relief {
  constructor(canvas) {
    this.canvas = canvas;
    this.gl = canvas.getContext("webgl2", { antialias: true });
    this.reset();
    if (!this.gl) return;
    const { gl } = this;
    this.program = programOf(gl);
    this.places = {};
    for (const name of ["size", "view", "edge", "middle", "lift", "aspect", "zoom", "turn", "lit"]) {
      this.places[name] = gl.getUniformLocation(this.program, name);
    }
    this.textures = ["paintAfter", "paintBefore", "lightAfter", "lightBefore"].map((name, unit) => {
      gl.uniform1i(gl.getUniformLocation(this.program, name), unit);
      return gl.createTexture();
    });
    this.buffers = { after: gl.createBuffer(), before: gl.createBuffer(), triangles: gl.createBuffer() };
    gl.enable(gl.DEPTH_TEST);
  }

  reset() {
    Object.assign(this, { yaw: 0.4, tilt: 0.75, zoom: 1 });
  }

  turn(yaw, tilt) {
    this.yaw += yaw;
    this.tilt = Math.min(Math.max(this.tilt + tilt, -1.5), 1.5);
  }

  scale(factor) {
    this.zoom = Math.min(Math.max(this.zoom * factor, 0.4), 12);
  }

  // Takes the planes of a sample to the graphics card.
  load(found) {
    const { gl } = this;
    this.found = found;
    if (!gl) return;
    const after = sharesOf(found, found.depth);
    const before = found.depthBefore ? sharesOf(found, found.depthBefore) : after;
    for (const [name, values] of [["after", after], ["before", before]]) {
      const attribute = gl.getAttribLocation(this.program, name);
      gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
      gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
      gl.enableVertexAttribArray(attribute);
      gl.vertexAttribPointer(attribute, 1, gl.FLOAT, false, 0, 0);
    }
    const triangles = trianglesOf(found);
    this.count = triangles.length;
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.buffers.triangles);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, triangles, gl.STATIC_DRAW);
  }

  // Takes the pictures with which the surface is painted; lit 0 … 1.
  paint(after, before, lit) {
    const { gl, found } = this;
    this.lit = lit;
    if (!gl) return;
    [after, before ?? after, found.surface, found.surfaceBefore ?? found.surface].forEach((image, unit) => {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, this.textures[unit]);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, image);
      for (const side of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, side, gl.CLAMP_TO_EDGE);
      gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.LINEAR);
    });
  }

  // Pixels that one step of depth is high: true to scale where the size of a pixel is known.
  liftOf(sample, height) {
    const [low, high] = sample.range;
    const [near, far] = sample.scale;
    const pixels = sample.pixel ? 1 / sample.pixel : 0.15 * Math.max(...sample.size) / ((far - near) || 1);
    return (high - low) * pixels * height;
  }

  draw({ view, wipe, height }) {
    const { gl, canvas, found, places } = this;
    if (!gl || !found) return;
    const { sample } = found;
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.max(1, Math.round(canvas.clientWidth * ratio));
    canvas.height = Math.max(1, Math.round(canvas.clientHeight * ratio));
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    const [low, high] = sample.range;
    const [near, far] = sample.scale;
    const [cy, sy, ct, st] = [Math.cos(this.yaw), Math.sin(this.yaw), Math.cos(this.tilt), Math.sin(this.tilt)];
    gl.uniform2i(places.size, found.width, found.height);
    gl.uniform4f(places.view, view.x, view.y, view.width, view.height);
    gl.uniform1f(places.edge, view.x + wipe * view.width);
    gl.uniform1f(places.middle, ((near + far) / 2 - low) / ((high - low) || 1));
    gl.uniform1f(places.lift, this.liftOf(sample, height));
    gl.uniform1f(places.aspect, canvas.width / canvas.height);
    gl.uniform1f(places.zoom, this.zoom);
    gl.uniform1f(places.lit, this.lit);
    // About the axis of the camera, then the far side away from the one who looks; by columns.
    gl.uniformMatrix3fv(places.turn, false, [cy, sy * ct, -sy * st, -sy, cy * ct, -cy * st, 0, st, ct]);
    gl.drawElements(gl.TRIANGLES, this.count, gl.UNSIGNED_INT, 0);
  }
}
