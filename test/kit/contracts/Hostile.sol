// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

/// Emits any log, from an address that is followed as a contract of the platform.
contract Emitter {
    /// Emits one log with up to four topics. Without topics it is anonymous.
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

    /// Emits the same log repeatedly in one transaction.
    function emitLogs(bytes32[] memory topics, bytes memory data, uint256 times) external {
        for (uint256 i = 0; i < times; ++i) emitLog(topics, data);
    }
}

/// Reverts every call except those that emit logs.
contract SilentToken is Emitter {
    fallback() external {
        revert("no");
    }
}

/// Returns no data from any call.
contract EmptyToken is Emitter {
    fallback() external {}
}

/// Has a name and a symbol of type `bytes32`, like Maker's token.
contract Bytes32Token is Emitter {
    bytes32 public constant name = "Maker of Songs";
    bytes32 public constant symbol = "MKS";
    uint8 public constant decimals = 18;
    uint256 public constant totalSupply = 0;
}

/// Has a name and a symbol of one megabyte, and 255 decimals.
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

/// Has NUL bytes in its name, and an empty symbol.
contract NulToken is Emitter {
    string public constant name = "N\x00U\x00L";
    string public constant symbol = "";
    uint8 public constant decimals = 0;
}

/// Has a name and a symbol that are not UTF-8, and decimals that do not fit `uint8`.
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
