import FramedMessages
import KindsMessages
import ProtobufFacade
import Testing

/// A value for each kind of field, in protobuf's text format and in Swift.
struct Example: Sendable, CustomTestStringConvertible {
  var testDescription: String
  var text: String
  var message: Kinds

  init(_ name: String, _ text: String, _ fill: (inout Kinds) -> Void) {
    testDescription = name
    self.text = text
    message = Kinds()
    fill(&message)
  }

  static let all: [Example] = [
    Example("nothing", "") { _ in },
    Example(
      "every scalar at an extreme",
      """
      plain { a_double: 1.5e300 a_float: -0.25 an_int32: -2147483648 an_int64: -9223372036854775808 a_uint32: 4294967295
        a_uint64: 18446744073709551615 a_sint32: -2147483648 a_sint64: -9223372036854775808 a_fixed32: 4294967295
        a_fixed64: 18446744073709551615 an_sfixed32: -2147483648 an_sfixed64: -9223372036854775808 a_bool: true
        a_string: "värde 🌍" some_bytes: "\\000\\377" a_colour: COLOUR_BLUE_GREEN an_inner { shape: SHAPE_ROUND } }
      """
    ) {
      $0.plain = Scalars(
        aDouble: 1.5e300, aFloat: -0.25, anInt32: .min, anInt64: .min, aUint32: .max, aUint64: .max, aSint32: .min,
        aSint64: .min, aFixed32: .max, aFixed64: .max, anSfixed32: .min, anSfixed64: .min, aBool: true,
        aString: "värde 🌍", someBytes: [0, 255], aColour: .blueGreen, anInner: Scalars.Inner(shape: .round))
    },
    Example(
      "optional scalars at their defaults",
      """
      optionals { a_double: 0 a_float: 0 an_int32: 0 an_int64: 0 a_uint32: 0 a_uint64: 0 a_sint32: 0 a_sint64: 0 a_fixed32: 0
        a_fixed64: 0 an_sfixed32: 0 an_sfixed64: 0 a_bool: false a_string: "" some_bytes: "" a_colour: COLOUR_UNSPECIFIED an_inner {} }
      """
    ) {
      $0.optionals = Optionals(
        aDouble: 0, aFloat: 0, anInt32: 0, anInt64: 0, aUint32: 0, aUint64: 0, aSint32: 0, aSint64: 0, aFixed32: 0,
        aFixed64: 0, anSfixed32: 0, anSfixed64: 0, aBool: false, aString: "", someBytes: [], aColour: .unspecified,
        anInner: Scalars.Inner())
    },
    Example("optional scalars absent", "optionals {}") { $0.optionals = Optionals() },
    Example(
      "lists",
      """
      lists { doubles: [0, -0.0, 1] floats: [0.5, inf] int32s: [-1, 0, 1] int64s: [-1] uint32s: [7] uint64s: [1, 2] sint32s: [-1, 1]
        sint64s: [-2] fixed32s: [3] fixed64s: [4, 5] sfixed32s: [-6] sfixed64s: [-7] bools: [true, false, true]
        strings: ["", "a\\000b"] byte_strings: ["", "\\001"] colours: [COLOUR_RED, COLOUR_INFRA] inners: [{}, { shape: SHAPE_ROUND }]
        unpacked: [1, 0, 2] }
      """
    ) {
      $0.lists = Lists(
        doubles: [0, -0.0, 1], floats: [0.5, .infinity], int32s: [-1, 0, 1], int64s: [-1], uint32s: [7],
        uint64s: [1, 2], sint32s: [-1, 1], sint64s: [-2], fixed32s: [3], fixed64s: [4, 5], sfixed32s: [-6],
        sfixed64s: [-7], bools: [true, false, true], strings: ["", "a\0b"], byteStrings: [[], [1]],
        colours: [.red, .infra], inners: [Scalars.Inner(), Scalars.Inner(shape: .round)], unpacked: [1, 0, 2])
    },
    Example(
      "maps, with default keys and values",
      """
      maps { strings { key: "b" value: "2" } strings { key: "" value: "" } strings { key: "a" value: "1" }
        numbers { key: 0 value: 0 } numbers { key: -5 value: 5 } numbers { key: 7 value: -7 }
        doubles { key: -1 value: -0.0 } doubles { key: 1 value: 1 } floats { key: 9 value: 0 }
        byte_strings { key: 18446744073709551615 value: "\\000" } byte_strings { key: 0 value: "" }
        colours { key: true value: COLOUR_RED } colours { key: false value: COLOUR_UNSPECIFIED }
        inners { key: "x" value {} } inners { key: "y" value { shape: SHAPE_ROUND } } }
      """
    ) {
      $0.maps = Maps(
        strings: ["a": "1", "b": "2", "": ""], numbers: [0: 0, -5: 5, 7: -7], doubles: [-1: -0.0, 1: 1],
        floats: [9: 0], byteStrings: [.max: [0], 0: []], colours: [true: .red, false: .unspecified],
        inners: ["x": Scalars.Inner(), "y": Scalars.Inner(shape: .round)])
    },
    Example("oneof, a number at its default", "choice { a_double: 0 }") { $0.choice = Choice(chosen: .aDouble(0)) },
    Example("oneof, zigzag", "choice { a_sint32: -3 }") { $0.choice = Choice(chosen: .aSint32(-3)) },
    Example("oneof, false", "choice { a_bool: false }") { $0.choice = Choice(chosen: .aBool(false)) },
    Example("oneof, two of them", "choice { a_string: \"\" right: \"r\" }") {
      $0.choice = Choice(chosen: .aString(""), second: .right("r"))
    },
    Example("oneof, bytes", "choice { some_bytes: \"\\000\" }") { $0.choice = Choice(chosen: .someBytes([0])) },
    Example("oneof, enum", "choice { a_colour: COLOUR_RED }") { $0.choice = Choice(chosen: .aColour(.red)) },
    Example("oneof, empty message", "choice { an_inner {} }") { $0.choice = Choice(chosen: .anInner(Scalars.Inner())) },
    Example("oneof in itself", "choice { another { another { a_bool: true } } }") {
      $0.choice = Choice(chosen: .another(Choice(chosen: .another(Choice(chosen: .aBool(true))))))
    },
    Example(
      "a message in itself",
      "tree { name: \"a\" next { name: \"b\" next {} } children { name: \"c\" } children {} named { key: \"d\" value { name: \"e\" } } }"
    ) {
      $0.tree = Node(
        name: "a", next: Node(name: "b", next: Node()), children: [Node(name: "c"), Node()],
        named: ["d": Node(name: "e")])
    },
    Example(
      "names that are words of other languages",
      """
      words { namespace: "n" default: "d" class: ["c", "k"] operator: 0 self: "s" init: "i" in: "in" return: true register: 1
        description: "x" camelCase: "cc" otherCase: 0 RIGHT: 4 }
      """
    ) {
      $0.words = Words(
        namespace: "n", default: "d", class: ["c", "k"], operator: 0, selfValue: "s", init: "i", in: "in", return: true,
        register: 1, description: "x", camelCase: "cc", otherCase: 0, pickedOne: .right(4))
    },
    Example("time", "time { seconds: -1 nanos: 5 } length { seconds: 3 nanos: 500000000 }") {
      $0.time = ProtobufTimestamp(seconds: -1, nanos: 5)
      $0.length = ProtobufDuration(.milliseconds(3500))
    },
  ]
}

@Suite("Messages and the reference implementation")
struct RoundTripTests {
  @Test("what protoc encodes is decoded", arguments: Example.all)
  func decodes(_ example: Example) throws {
    #expect(try Kinds(protobuf: Protoc.encode(example.text)) == example.message)
  }

  @Test("the encoding is protoc's, byte for byte", arguments: Example.all)
  func encodes(_ example: Example) throws {
    #expect(example.message.protobufBytes() == (try Protoc.encode(example.text)))
  }

  @Test("encoding into the caller's memory asks once, for the exact size", arguments: Example.all)
  func encodesInPlace(_ example: Example) {
    var sizes: [Int] = []
    var bytes = [UInt8](repeating: 0xaa, count: 4096)
    bytes.withUnsafeMutableBytes { buffer in
      example.message.encodeProtobuf { size in
        sizes.append(size)
        return buffer
      }
    }
    let expected = example.message.protobufBytes()
    #expect(sizes == [expected.count])
    #expect(Array(bytes.prefix(expected.count)) == expected)
    #expect(bytes.dropFirst(expected.count).allSatisfy { $0 == 0xaa })
  }

  @Test("the sign of zero survives where protobuf-c drops it")
  func negativeZero() throws {
    let message = Kinds(plain: Scalars(aDouble: -0.0, aFloat: -0.0), maps: Maps(doubles: [3: -0.0]))
    let decoded = try Kinds(protobuf: message.protobufBytes())
    #expect(decoded.plain?.aDouble.sign == .minus)
    #expect(decoded.plain?.aFloat.sign == .minus)
    #expect(decoded.maps?.doubles[3]?.sign == .minus)
    #expect(
      message.protobufBytes()
        == (try Protoc.encode("plain { a_double: -0.0 a_float: -0.0 } maps { doubles { key: 3 value: -0.0 } }")))
  }

  @Test("a message larger than the arena's first blocks")
  func large() throws {
    let node = Node(name: String(repeating: "n", count: 300), next: Node(name: "x"))
    let message = Kinds(
      lists: Lists(int64s: Array(0..<50_000), strings: (0..<5_000).map { "string \($0)" }),
      tree: Node(children: Array(repeating: node, count: 2_000)))
    let bytes = message.protobufBytes()
    #expect(try Kinds(protobuf: bytes) == message)
    #expect(try Protoc.encode(Protoc.decode(bytes)) == bytes)
  }

  @Test("equal maps have equal bytes, however they were filled")
  func canonicalMaps() {
    let names = (0..<200).map { "key \($0)" }
    var forward = Maps()
    var backward = Maps()
    for name in names { forward.strings[name] = name }
    for name in names.reversed() { backward.strings[name] = name }
    #expect(forward.protobufBytes() == backward.protobufBytes())
  }

  @Test("numbers an enum does not name are kept")
  func unknownEnumNumbers() throws {
    for number: Int32 in [3, .min, .max, -2] {
      let message = Kinds(
        plain: Scalars(aColour: Colour(rawValue: number)), lists: Lists(colours: [.unrecognized(number)]))
      let decoded = try Kinds(protobuf: message.protobufBytes())
      #expect(decoded == message)
      #expect(decoded.plain?.aColour == .unrecognized(number))
    }
    #expect(Colour(rawValue: -1) == .infra)
  }
}
