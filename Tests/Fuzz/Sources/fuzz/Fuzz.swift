internal import FramedCore
internal import FramedMessages
internal import ProtobufFacade

#if canImport(Glibc)
  internal import Glibc
#endif

/// What the fuzzer calls with each input; which target takes it says the environment variable `TERRANE_FUZZ_TARGET`.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  let input = UnsafeRawBufferPointer(start: data, count: size)
  target(input)
  return 0
}

nonisolated(unsafe) private let target: (UnsafeRawBufferPointer) -> Void = {
  let name = getenv("TERRANE_FUZZ_TARGET").map { String(cString: $0) } ?? ""
  guard let target = targets[name] else {
    fatalError("TERRANE_FUZZ_TARGET is one of \(targets.keys.sorted())")
  }
  return target
}()

nonisolated(unsafe) private let targets: [String: (UnsafeRawBufferPointer) -> Void] = [
  "frames": fuzzFrames,
  "metadata": fuzzMetadata,
  "peer": fuzzPeer,
]

/// The frame parser: every frame lies inside the input, and what it consumes is what it says.
private func fuzzFrames(_ input: UnsafeRawBufferPointer) {
  var rest = input[...]
  while !rest.isEmpty {
    let buffer = UnsafeRawBufferPointer(rebasing: rest)
    switch FrameParser.next(in: buffer, maxFrame: Limits.floorFrame) {
    case .incomplete, .violation:
      return
    case .ignorable(let size):
      precondition(size >= FrameHeader.size && size <= buffer.count)
      rest = rest.dropFirst(size)
    case .frame(let frame, _, let size):
      precondition(size == FrameHeader.size + frame.meta.count + frame.body.count && size <= Limits.floorFrame)
      // Every byte is there to be read: the address sanitizer looks.
      var sum: UInt8 = 0
      for byte in frame.meta { sum &+= byte }
      for byte in frame.body { sum &+= byte }
      sink = sum
      rest = rest.dropFirst(size)
    }
  }
}

nonisolated(unsafe) private var sink: UInt8 = 0

/// The guard before protobuf-c and what protobuf-c makes of what it lets through. The first byte chooses the message; what
/// is read is written and read again, and must be the same.
private func fuzzMetadata(_ input: UnsafeRawBufferPointer) {
  guard let kind = input.first else { return }
  let bytes = UnsafeRawBufferPointer(rebasing: input.dropFirst())
  switch kind % 5 {
  case 0:
    roundTrip(CallMeta.self, bytes)
    var memory = CallMetaReader.Memory()
    if let fast = CallMetaReader.read(bytes, &memory) {
      precondition(fast == CallMeta(metadata: bytes), "the reader of common metadata reads another message")
    }
  case 1: roundTrip(DataMeta.self, bytes)
  case 2: roundTrip(EndMeta.self, bytes)
  case 3: roundTrip(Hello.self, bytes)
  default: roundTrip(ErrorInfo.self, bytes)
  }
}

private func roundTrip<M: ProtobufMessage>(_: M.Type, _ bytes: UnsafeRawBufferPointer) {
  guard let first = M(metadata: bytes) else { return }
  let written = first.protobufBytes()
  // Without unknown fields it is shorter, and memory is allowed by the byte: read it with more than it can need.
  let plenty = DecodingLimits(maximumDepth: 4, baseMemory: 1 << 24, memoryPerByte: 16)
  let again = written.withUnsafeBytes { try? M(protobuf: $0, limits: plenty) }
  precondition(again?.protobufBytes() == written, "read again, it is another message")
}
