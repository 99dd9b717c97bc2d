// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// Emits whatever it is told to, under an address that is followed as something decent.
contract Emitter {
    /// One log of up to four topics; none makes it anonymous.
    function emitLog(bytes32[] memory topics, bytes memory data) public {
        require(topics.length <= 4, "too many topics");
        assembly {
            let at := add(topics, 32)
            let start := add(data, 32)
            let size := mload(data)
            switch mload(topics)
            case 0 { log0(start, size) }
            case 1 { log1(start, size, mload(at)) }
            case 2 { log2(start, size, mload(at), mload(add(at, 32))) }
            case 3 { log3(start, size, mload(at), mload(add(at, 32)), mload(add(at, 64))) }
            case 4 { log4(start, size, mload(at), mload(add(at, 32)), mload(add(at, 64)), mload(add(at, 96))) }
        }
    }

    /// The same log again and again, in one transaction.
    function emitLogs(bytes32[] memory topics, bytes memory data, uint256 times) external {
        for (uint256 i = 0; i < times; ++i) emitLog(topics, data);
    }
}

/// The reverting half of every hostile token: what it is not asked for, it refuses.
contract SilentToken is Emitter {
    fallback() external {
        revert("no");
    }
}

/// Answers every call with nothing.
contract EmptyToken is Emitter {
    fallback() external {}
}

/// Names of the time before `string` (as Maker's token has them).
contract Bytes32Token is Emitter {
    bytes32 public constant name = "Maker of Songs";
    bytes32 public constant symbol = "MKS";
    uint8 public constant decimals = 18;
    uint256 public constant totalSupply = 0;
}

/// A name and a symbol of one megabyte, and 255 decimals.
contract HugeToken is Emitter {
    uint8 public constant decimals = 255;

    function name() external pure returns (string memory) {
        return _long("n");
    }

    function symbol() external pure returns (string memory) {
        return _long("s");
    }

    function _long(bytes1 letter) private pure returns (string memory) {
        bytes memory text = new bytes(1024 * 1024);
        bytes32 word;
        for (uint256 i = 0; i < 32; ++i) word |= bytes32(letter) >> (8 * i);
        assembly {
            let end := add(add(text, 32), mload(text))
            for { let at := add(text, 32) } lt(at, end) { at := add(at, 32) } { mstore(at, word) }
        }
        return string(text);
    }
}

/// NUL bytes in the name, an empty symbol.
contract NulToken is Emitter {
    string public constant name = "N\x00U\x00L";
    string public constant symbol = "";
    uint8 public constant decimals = 0;
}

/// A name and a symbol that are not UTF-8, and decimals that are no `uint8`.
contract InvalidUtf8Token is Emitter {
    uint256 public constant decimals = type(uint256).max;

    function name() external pure returns (string memory) {
        bytes memory text = hex"ff41fe";
        return string(text);
    }

    function symbol() external pure returns (string memory) {
        bytes memory text = hex"c328";
        return string(text);
    }
}
