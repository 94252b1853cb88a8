// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {MatrixBase, Trouble} from "./MatrixBase.sol";
import {Quirk} from "./QuirkTokens.sol";

/// @notice The matrix of tokens: a row is a kind of token, a column an exit, a letter what became of the legs; see
/// `MatrixBase` for the letters and for what is checked in every cell.
///
/// columns: release refund ruling delivered undelivered settle fallback cancel rescue payLeg
contract TokenMatrixTest is MatrixBase {
    string private constant PAID = "PPPPPPPPPP";
    /// The token moves nothing: whoever decides is done, the money waits.
    string private constant WAITS = "WWWWWWWWrr";
    /// The vault seems empty: no party and no operator decides on nothing, what a clock or seats decide stands.
    string private constant LOST = "rrWWrrWWrr";

    // ---- tokens that pay -----------------------------------------------------------------------------------

    function test_a_token_without_a_return_value() public {
        _troubleRow(Trouble.None, PAID);
    }

    function test_a_token_that_answers_true() public {
        _quirkRow(Quirk.None, PAID);
    }

    function test_a_token_without_decimals() public {
        _amount = 7;
        _quirkRow(Quirk.None, PAID);
    }

    function test_a_token_of_18_decimals() public {
        _amount = 123_456e18 + 1;
        _quirkRow(Quirk.None, PAID);
    }

    function test_the_largest_amount_that_terms_can_hold() public {
        _amount = type(uint96).max;
        _quirkRow(Quirk.None, PAID);
    }

    function test_a_token_that_refuses_to_move_zero() public {
        _quirkRow(Quirk.NoZeroAmount, PAID);
    }

    function test_a_token_that_answers_true_in_64_kilobytes() public {
        _quirkRow(Quirk.AnswersAtLength, PAID);
    }

    function test_a_token_that_costs_much_gas() public {
        _quirkRow(Quirk.BurnsSomeGas, PAID);
    }

    function test_a_token_that_calls_back_before_it_moves() public {
        _quirkRow(Quirk.CallsBackBefore, PAID);
    }

    function test_a_token_that_calls_back_after_it_moved() public {
        _quirkRow(Quirk.CallsBackAfter, PAID);
    }

    function test_a_fee_switched_on_after_the_deposit() public {
        _troubleRow(Trouble.FeeAfterDeposit, PAID);
    }

    function test_a_deprecated_token_that_forwards_to_its_replacement() public {
        _troubleRow(Trouble.Deprecated, PAID);
    }

    function test_a_token_that_rebases_up() public {
        _troubleRow(Trouble.RebasedUp, PAID);
    }

    /// It moves what it is told to; only rescue asks it for the surplus that it invents.
    function test_a_token_that_claims_balances_it_has_not() public {
        _quirkRow(Quirk.SaysMuch, "PPPPPPPWrP");
    }

    // ---- tokens that refuse ----------------------------------------------------------------------------------

    function test_a_token_that_answers_false() public {
        _quirkRow(Quirk.AnswersFalse, WAITS);
    }

    function test_a_token_that_answers_false_although_it_moved() public {
        _quirkRow(Quirk.AnswersFalseYetMoves, WAITS);
    }

    function test_a_token_that_answers_neither_true_nor_false() public {
        _quirkRow(Quirk.AnswersTwo, WAITS);
    }

    function test_a_token_that_answers_half_a_word() public {
        _quirkRow(Quirk.AnswersShort, WAITS);
    }

    function test_a_token_that_reverts_with_64_kilobytes() public {
        _quirkRow(Quirk.RefusesAtLength, WAITS);
    }

    function test_a_token_that_moves_less_than_asked() public {
        _quirkRow(Quirk.MovesLess, WAITS);
    }

    function test_a_token_that_moves_more_than_asked() public {
        _quirkRow(Quirk.MovesMore, WAITS);
    }

    function test_a_token_that_burns_all_gas() public {
        _quirkRow(Quirk.BurnsAllGas, WAITS);
    }

    /// What a decision gives a leg is not enough; asked for alone, the leg gets more.
    function test_a_token_whose_transfers_grew_too_dear() public {
        _quirkRow(Quirk.BurnsMuchGas, "WWWWWWWWPP");
    }

    function test_a_token_that_moves_little_at_once() public {
        _quirkRow(Quirk.AtMost, "WWWWWWWWPr");
    }

    function test_a_token_that_moves_once_a_block() public {
        _quirkRow(Quirk.OncePerBlock, "FP1FP11PPP");
    }

    function test_a_paused_token() public {
        _troubleRow(Trouble.Paused, WAITS);
    }

    function test_a_blacklisted_vault() public {
        _troubleRow(Trouble.VaultBlacklisted, WAITS);
    }

    function test_a_token_upgraded_to_refuse() public {
        _troubleRow(Trouble.Upgraded, WAITS);
    }

    // ---- tokens that refuse one receiver ---------------------------------------------------------------------

    function test_a_token_that_refuses_the_seller() public {
        _victim = seller;
        _quirkRow(Quirk.RefusesReceiver, "SPSSPSSPPr");
        _quirkRow(Quirk.BurnsGasForReceiver, "SPSSPSSPPr");
    }

    function test_a_token_that_refuses_the_buyer() public {
        _victim = buyer;
        _quirkRow(Quirk.RefusesReceiver, "PWBPWBBWrP");
        _quirkRow(Quirk.BurnsGasForReceiver, "PWBPWBBWrP");
    }

    function test_a_token_that_refuses_the_fee_recipient() public {
        _victim = feeTo;
        _quirkRow(Quirk.RefusesReceiver, "FPFFPFFPPP");
        _quirkRow(Quirk.BurnsGasForReceiver, "FPFFPFFPPP");
    }

    // ---- tokens that hide, take or lose the money --------------------------------------------------------------

    function test_a_token_that_hides_its_balances() public {
        _quirkRow(Quirk.HidesBalances, LOST);
    }

    function test_a_token_that_burns_all_gas_when_asked_for_a_balance() public {
        _quirkRow(Quirk.BurnsGasForBalances, LOST);
    }

    function test_a_token_that_tells_balances_in_less_than_a_word() public {
        _quirkRow(Quirk.AnswersBalancesShort, LOST);
    }

    function test_a_token_that_says_every_balance_is_zero() public {
        _quirkRow(Quirk.SaysNothing, LOST);
    }

    function test_a_token_whose_code_is_gone() public {
        _troubleRow(Trouble.CodeGone, LOST);
    }

    function test_destroyed_funds() public {
        _troubleRow(Trouble.DestroyedAll, LOST);
    }

    function test_a_replacement_that_forgot_the_balances() public {
        _troubleRow(Trouble.DeprecatedWithoutBalances, LOST);
    }

    /// Or a token that rebases down.
    function test_half_of_the_funds_destroyed() public {
        _troubleRow(Trouble.DestroyedHalf, "rrWWrrWPrs");
    }

    function test_a_fee_on_the_deposit() public {
        _troubleRow(Trouble.FeeBeforeDeposit, "rr--rr-Pr-");
    }
}
